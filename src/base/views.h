// Views and aligned buffers.  The last index is contiguous; a view is never kept after a call.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <new>
#include <span>
#include <type_traits>
#include <utility>

#include "base/check.h"

namespace pawl {

// A matrix of rows with a stride: row r starts at data + r * stride.
template <class T>
class MatrixView {
 public:
  MatrixView() = default;
  MatrixView(T* data, std::size_t rows, std::size_t cols, std::size_t stride)
      : data_(data), rows_(rows), cols_(cols), stride_(stride) {}
  MatrixView(T* data, std::size_t rows, std::size_t cols) : MatrixView(data, rows, cols, cols) {}
  // A view of non-const elements reads as a view of const ones.
  operator MatrixView<const T>() const  // NOLINT: implicit as std::span's
      requires(!std::is_const_v<T>) {
    return {data_, rows_, cols_, stride_};
  }

  T* data() const { return data_; }
  std::size_t rows() const { return rows_; }
  std::size_t cols() const { return cols_; }
  std::size_t stride() const { return stride_; }
  T* row(std::size_t r) const { return data_ + r * stride_; }
  std::span<T> row_span(std::size_t r) const { return {row(r), cols_}; }
  MatrixView Rows(std::size_t begin, std::size_t count) const {
    PAWL_CHECK(begin + count <= rows_);
    return {data_ + begin * stride_, count, cols_, stride_};
  }
  MatrixView Cols(std::size_t begin, std::size_t count) const {
    PAWL_CHECK(begin + count <= cols_);
    return {data_ + begin, rows_, count, stride_};
  }

 private:
  T* data_ = nullptr;
  std::size_t rows_ = 0, cols_ = 0, stride_ = 0;
};

// Owns 64-byte aligned, zero-initialised elements; pages of 2 MiB are asked for from 4 MiB on.
// Throws std::bad_alloc when memory is out, like the standard containers.
template <class T>
class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  explicit AlignedBuffer(std::size_t size);
  AlignedBuffer(AlignedBuffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  AlignedBuffer& operator=(AlignedBuffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~AlignedBuffer();

  T* data() { return data_; }
  const T* data() const { return data_; }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  T& operator[](std::size_t i) { return data_[i]; }
  const T& operator[](std::size_t i) const { return data_[i]; }
  std::span<T> span() { return {data_, size_}; }
  std::span<const T> span() const { return {data_, size_}; }

 private:
  static_assert(std::is_trivially_copyable_v<T>);
  T* data_ = nullptr;
  std::size_t size_ = 0;
};

// Bytes, 64-byte aligned, zeroed; freed with AlignedFree.
void* AlignedAllocate(std::size_t bytes);
void AlignedFree(void* data, std::size_t bytes);

template <class T>
AlignedBuffer<T>::AlignedBuffer(std::size_t size) : size_(size) {
  if (size > static_cast<std::size_t>(-1) / sizeof(T)) throw std::bad_alloc();
  if (size > 0) data_ = static_cast<T*>(AlignedAllocate(size * sizeof(T)));
}
template <class T>
AlignedBuffer<T>::~AlignedBuffer() {
  if (data_ != nullptr) AlignedFree(data_, size_ * sizeof(T));
}

}  // namespace pawl
